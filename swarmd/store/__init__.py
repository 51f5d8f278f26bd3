"""The replicated records: views, log entries, their application, the sequencer."""
