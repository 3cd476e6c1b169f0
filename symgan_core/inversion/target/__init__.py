"""What an inversion compares with: the photo, its masks, and what of it is left out."""
