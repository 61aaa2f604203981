"""What a receiver may be and may ask for."""
