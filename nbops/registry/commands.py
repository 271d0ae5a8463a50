"""What the owner does about models and their versions."""
