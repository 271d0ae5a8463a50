"""Which version an alias stands for: asked for, judged on evidence, approved by a person, taken back."""
