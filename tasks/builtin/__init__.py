"""The models that ship in the package: found and verified, and made from the models of a workspace."""
