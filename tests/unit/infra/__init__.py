"""What the local stack decides before it touches anything."""
