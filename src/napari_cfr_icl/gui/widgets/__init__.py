"""Plain Qt parts without logic of ours."""
