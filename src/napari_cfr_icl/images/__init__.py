"""Pictures and label images from files: every format, one reader."""
