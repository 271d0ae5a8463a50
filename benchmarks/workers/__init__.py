"""What runs under each party's interpreter: the same jobs twice, `ours` with nbops and `theirs` with MLflow."""
