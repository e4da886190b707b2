"""What turning the dial of a fitted recipe with proxy priors would do: accuracy against bias, from its own predictions."""
