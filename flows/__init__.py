"""Order, retries and place; what the data means is decided in `aigc_core`."""
