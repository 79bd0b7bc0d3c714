"""Between a sealed batch and the public: findings per text, one decision per row, one for the run."""
