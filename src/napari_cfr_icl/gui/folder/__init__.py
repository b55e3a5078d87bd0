"""A folder of images, worked through one by one."""
