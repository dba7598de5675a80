"""Operating-system and desktop services; each module hides one difference between platforms."""
