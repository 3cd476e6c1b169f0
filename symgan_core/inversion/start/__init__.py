"""Where an inversion begins: code, camera and features of the face."""
