#' Outputs of the training.
#' @return List as of [new_output()].
list_training_outputs <- function() {
  list(
    new_output(
      "training_history", function(analysis) select_metric(analysis$results$training_history, "loss"),
      figure = "figure_training_history",
      plot = function(losses, analysis) {
        draw_if(
          nrow(losses) > 0, plot_training(losses, "Loss (no unit)", "Training history", analysis$label),
          "Loss after each epoch.", "Loss by epoch for each training stage and variant", 8,
          1.6 + 2 * ceiling((1 + count_variants(losses$variant)) / 3), losses, "training_history.csv has no loss"
        )
      },
      chapter = "training"
    ),
    new_output(
      "learning_curve", function(analysis) select_metric(analysis$results$training_history, "dice"),
      figure = "figure_learning_curve",
      plot = function(dice, analysis) {
        draw_if(
          nrow(dice) > 0, plot_training(dice, "Dice of samples (no unit)", "Learning curve", analysis$label),
          paste(
            "Where the two curves part, more epochs would fit the training patients only; where they keep together,",
            "the budget limits. The learning rate falls to zero, so that every curve flattens. Dice is of samples, not",
            "of whole volumes: of training samples as they were drawn and augmented, averaged over the epoch; of",
            "early-stopping patients half of the samples show a lesion. Pre-training: mean of liver and lesion."
          ),
          "Dice by epoch on training and on early-stopping patients", 8, 3.6, dice, "training_history.csv has no Dice"
        )
      },
      chapter = "training"
    )
  )
}
