"""The lab: measured runs, their ledger, its tables and charts, and the benchmark."""
