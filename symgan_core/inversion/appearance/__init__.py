"""The colours of the head: palette, painting in one pass, light, and the detail of the photo."""
