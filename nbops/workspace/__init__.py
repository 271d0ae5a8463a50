"""What people hold. It delegates, nothing more."""
