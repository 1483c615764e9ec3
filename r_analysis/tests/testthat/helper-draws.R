#' Rows of draws.csv that are written by hand, typed as they are read.
#'
#' @param draw,condition,amount,segmentation Of all rows, or one a row.
#' @param draw_patient_id,group,dice,n_reference,n_detected,n_predicted,n_matched One a row.
make_draw <- function(draw, draw_patient_id, group, dice, n_reference, n_detected, n_predicted, n_matched,
                      condition = "as_acquired", amount = NA_real_, segmentation = "delayed") {
  levels_of <- function(column) schema_levels(test_schema(), "draws.csv", column)
  data.frame(
    draw = factor(draw, levels_of("draw")), condition = factor(condition, levels_of("condition")), amount,
    segmentation, draw_patient_id, group = factor(group, levels_of("group")), dice, n_reference, n_detected,
    n_predicted, n_matched
  )
}

#' What [collect_draws()] makes of such rows, whose variants stand in the order of their rows.
collect_made <- function(draws) {
  names <- unique(draws$segmentation)
  by_segmentation <- lapply(names, function(name) {
    list(draws = draws[draws$segmentation == name, setdiff(names(draws), "segmentation")])
  })
  collect_draws(stats::setNames(by_segmentation, names))
}

#' Four patients of the cross-validation, three of the fresh draw and two of the shifted one.
make_small_draws <- function(segmentation = "delayed") {
  rbind(
    make_draw(
      "cross_validation", c("A", "B", "C", "D"), rep(c("positive", "negative"), each = 2), c(0.6, 0.9, NA, NA),
      c(2, 1, 0, 0), c(1, 1, 0, 0), c(2, 1, 0, 1), c(1, 1, 0, 0), segmentation = segmentation
    ),
    make_draw(
      "fresh", c("A", "B", "C"), c("positive", "positive", "negative"), c(0.4, 0, NA), c(1, 3, 0), c(1, 0, 0),
      c(1, 2, 0), c(1, 0, 0), segmentation = segmentation
    ),
    make_draw(
      "shifted", c("A", "B"), c("positive", "negative"), c(0.3, NA), c(1, 0), c(1, 0), c(4, 3), c(2, 0),
      segmentation = segmentation
    )
  )
}
