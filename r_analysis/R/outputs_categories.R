#' Outputs of the categories: Table 5, Figs. 14 to 16, and the contrasts of the claims.
#' @return List as of [new_output()].
list_category_outputs <- function() {
  c(list_accuracy_outputs(), list_confusion_outputs())
}

#' Accuracies, and what they move with.
list_accuracy_outputs <- function() {
  list(
    new_output(
      "accuracy", function(analysis) compute_accuracy_table(analysis$results$categories, analysis$weights),
      paper_item = "Table 5", csv = "table_05_accuracy",
      table = function(accuracy, analysis) tabulate_accuracy(accuracy, analysis$paper), chapter = "categories"
    ),
    new_output(
      "half_split", function(analysis) compute_half_split(analysis$results$half_split),
      csv = "half_split", table = function(rows, analysis) tabulate_half_split(rows), chapter = "categories"
    ),
    new_output(
      "seeds", function(analysis) compute_seed_table(analysis$results$seed_accuracy),
      csv = "seeds", table = function(rows, analysis) tabulate_seeds(rows), chapter = "categories"
    ),
    new_output(
      "shifts", function(analysis) compute_shifts(analysis$results$categories),
      csv = "shifts", table = function(shifts, analysis) tabulate_shifts(shifts), chapter = "categories"
    ),
    new_output(
      "accuracy_beside_printed", function(analysis) get_estimate(analysis, "accuracy"),
      paper_item = "Table 5", figure = "figure_table_05_accuracy",
      plot = function(accuracy, analysis) {
        rows <- analysis$paper$quantity == "LI-RADS accuracy"
        printed <- cbind(
          analysis$paper[rows, c("level", "number")], compute_paper_intervals(analysis$paper)[rows, c("low", "high")]
        )
        draw_if(
          NROW(accuracy) > 0, plot_accuracy(accuracy, get_estimate(analysis, "baselines"), printed, analysis$label),
          "Accuracy beside the printed one and beside what needs no image.",
          "Accuracy of each variant and way of scoring, beside the printed accuracies and baselines without images", 8,
          2.3 + 0.62 * count_variants(c(accuracy$variant, printed$level)), accuracy, "categories.csv has no row"
        )
      },
      chapter = "categories"
    ),
    new_output("gaps", function(analysis) find_gaps(analysis$results$categories), csv = "gaps")
  )
}

#' Confusion matrices.
list_confusion_outputs <- function() {
  of_reference_regions <- function(analysis, direct) {
    confusion <- get_estimate(analysis, "confusion")
    rows <- confusion[confusion$scoring == "reference_regions", ]
    rows[is_direct(rows$variant, analysis$results$variants) == direct, ]
  }
  list(
    new_output(
      "confusion", function(analysis) compute_confusion(analysis$results$categories),
      paper_item = "Figs. 14 to 16", csv = "figure_14_16_confusion"
    ),
    new_output(
      "confusion_main", function(analysis) {
        confusion <- get_estimate(analysis, "confusion")
        confusion[confusion$variant == find_main_variant(analysis$results$variants), ]
      },
      paper_item = "Fig. 14", figure = "figure_14_confusion_main",
      plot = function(confusion, analysis) {
        main <- find_main_variant(analysis$results$variants)
        draw_if(
          NROW(confusion) > 0,
          plot_confusion(confusion, "scoring", paste0("Confusion matrix of ", main, " (Fig. 14)"), analysis$label),
          paste(
            "Rows are reference categories; over-categorization is above the diagonal (top right),",
            "under-categorization below it."
          ),
          paste("Confusion matrices of", main), 8.5, 3.6, confusion, paste("categories.csv has no lesion of", main)
        )
      },
      chapter = "categories"
    ),
    new_output(
      "confusion_direct", function(analysis) of_reference_regions(analysis, direct = TRUE),
      paper_item = "Fig. 15", figure = "figure_15_confusion_direct",
      plot = function(confusion, analysis) {
        draw_if(
          NROW(confusion) > 0,
          plot_confusion(
            confusion, "variant", "Confusion matrix of the direct classifiers, reference regions (Fig. 15)",
            analysis$label
          ),
          "The direct classifiers, on reference regions.", "Confusion matrices of the direct classifiers", 8.5, 3.6,
          confusion, "categories.csv has no direct classifier"
        )
      },
      chapter = "categories"
    ),
    new_output(
      "confusion_variants", function(analysis) of_reference_regions(analysis, direct = FALSE),
      paper_item = "Fig. 16", figure = "figure_16_confusion_variants",
      plot = function(confusion, analysis) {
        draw_if(
          NROW(confusion) > 0,
          plot_confusion(
            confusion, "variant", "Confusion matrix of each combination, reference regions (Fig. 16)", analysis$label,
            columns = 2
          ),
          "Every combination of network and loss in this run, on reference regions.",
          "Confusion matrices of each combination of network and loss on reference regions", 7,
          1 + 2.4 * ceiling(count_variants(confusion$variant) / 2), confusion,
          "categories.csv has no lesion under reference_roi"
        )
      },
      chapter = "categories"
    )
  )
}
