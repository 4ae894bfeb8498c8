"""Stage 1: from speech, upper-face pose and reference landmarks to the landmarks of lips and outline."""
