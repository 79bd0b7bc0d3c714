"""The command `aigc`: what a person types, sees and is told."""
