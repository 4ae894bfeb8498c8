"""`make bench`: speed as ratios measured side by side in one run. No part of the tests: nothing here asserts a time."""
