"""What the cases about ready-made parts add to the app, one module for each family of parts."""
