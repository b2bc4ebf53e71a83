"""What the emulated API answers, whatever it is asked over."""
