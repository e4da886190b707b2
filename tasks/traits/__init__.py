"""What sensitive attributes of users are worth to a recipe, against the same values dealt to other users."""
