"""The person's folder of pictures: found, checked, split, decoded, augmented, loaded. No framework."""
