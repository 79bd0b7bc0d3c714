"""What a run came to, in money and on one page: made from records and files alone."""
