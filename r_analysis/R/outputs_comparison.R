#' Outputs that set everything beside the article.
#' @return List as of [new_output()].
list_comparison_outputs <- function() {
  list(
    new_output(
      "ignoring_clustering", function(analysis) {
        compute_ignoring_clustering(
          get_estimate(analysis, "accuracy"), get_estimate(analysis, "features"), get_estimate(analysis, "contrasts"),
          analysis$results$features
        )
      },
      csv = "ignoring_clustering", table = function(rows, analysis) tabulate_ignoring(rows), chapter = "ignoring"
    ),
    new_output(
      "comparison", function(analysis) {
        compare_with_paper(analysis$paper, collect_ours(analysis), analysis$label)
      },
      csv = "paper_comparison", csv_folder = ".",
      table = function(comparison, analysis) {
        tabulate_comparison(
          comparison[comparison$item %in% c("Table 4", "Fig. 9", "Fig. 13", "Table 5", "Fig. 15"), ],
          "Printed results and ours, with 95 % intervals where there are any.",
          definitions = FALSE
        )
      },
      chapter = "comparison"
    ),
    new_output(
      "printed_numbers", function(analysis) get_estimate(analysis, "comparison"),
      table = function(comparison, analysis) {
        tabulate_comparison(
          comparison, "Every printed number, in the order of the article; the same rows as paper_comparison.csv."
        )
      },
      chapter = "printed"
    )
  )
}
