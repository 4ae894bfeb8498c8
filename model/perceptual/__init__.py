"""Networks that were trained on pictures by others: what they see says how alike two pictures look."""
