"""What things cost before they are spent; standard library only."""
