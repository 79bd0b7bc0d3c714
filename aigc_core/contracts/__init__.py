"""What outside text may say: recipes and data contracts, read strictly."""
