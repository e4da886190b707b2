"""The documentation as a website: pages of the repository, and reference pages generated from the code they describe."""
