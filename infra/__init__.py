"""What the system runs on: the local stack of one machine, the image, and the parts around it."""
