"""Training data: collections, crops, augmentation, SUEM copy-paste."""
