#' Outputs of the claims: contrasts, verdicts, and what the article's own numbers support.
#' @return List as of [new_output()].
list_claim_outputs <- function() {
  list(
    new_output(
      "contrasts", function(analysis) {
        compute_contrasts(analysis$results$categories, list_contrasts(analysis$results$variants), analysis$weights)
      },
      csv = "contrasts", table = function(contrasts, analysis) tabulate_contrasts(contrasts),
      figure = "figure_contrasts",
      plot = function(contrasts, analysis) {
        draw_if(
          any(!is.na(contrasts$difference)), plot_contrasts(contrasts, analysis$label),
          paste("The", format_count(nrow(contrasts)), "named contrasts."),
          "Differences of accuracy between variants with their intervals", 8, 3.8, contrasts,
          "no two variants of a contrast are in this run"
        )
      },
      figure_first = TRUE, chapter = "claims"
    ),
    new_output(
      "claims", function(analysis) {
        compute_claims(
          analysis$results, get_estimate(analysis, "contrasts"), get_estimate(analysis, "best_threshold"),
          analysis$paper, analysis$weights
        )
      },
      csv = "claims", table = function(claims, analysis) tabulate_claims(claims), chapter = "claims"
    ),
    new_output(
      "paper_support", function(analysis) {
        get_estimate(analysis, "claims")[c("claim", "part", "paper", "paper_support")]
      },
      table = function(support, analysis) tabulate_paper_support(support), chapter = "claims"
    )
  )
}
