"""Monitoring: drift, performance from late labels and estimates without them, incidents, and what is asked of retraining."""
