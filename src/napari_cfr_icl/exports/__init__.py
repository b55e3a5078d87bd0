"""Labels for other programs: label TIFF, COCO, GeoJSON, ImageJ ROIs. Numpy in, files out."""
