#' The cohort beside Tables 1 and 2 and section 2.3 of the article.
#' @param summary Data frame as cohort_summary.csv.
tabulate_summary <- function(summary) {
  text <- function(column) ifelse(is.na(column), "\u2013", column)
  new_report_table(
    "The cohort beside the article's description of its own (Tables 1 and 2, section 2.3).",
    Where = summary$source, What = summary$item, Unit = text(summary$unit), `Printed` = text(summary$paper),
    Cohort = text(summary$cohort)
  )
}

#' What was measured on the cohort beside the literature; sources are numbers, whose names stand below.
#' @param realism Data frame as of [judge_realism()].
tabulate_realism <- function(realism) {
  digits <- choose_realism_digits(realism)
  number <- match(realism$source, unique(stats::na.omit(realism$source)))
  unit <- ifelse(is.na(realism$unit), "", realism$unit)
  table <- new_report_table(
    paste(
      "Realism: what was measured on the cohort beside the literature, with intervals where there are any.",
      "The verdict is on the literature's interval; where the literature gives a value only, on ours."
    ),
    Quantity = describe_quantity(realism), n = format_number(realism$n, 0),
    Measured = format_estimate(realism$measured, realism$measured_low, realism$measured_high, digits, unit),
    `Literature (or nominal)` = format_literature(realism, digits), Verdict = keep_together(realism$verdict),
    Source = ifelse(is.na(number), "\u2013", number)
  )
  c(table, wrap = TRUE, note = paste0(list_sources(realism), "\n\n"))
}

#' The sources of the realism table by their numbers.
#' @param realism Data frame as cohort_realism.csv.
#' @return String.
list_sources <- function(realism) {
  sources <- unique(stats::na.omit(realism$source))
  if (length(sources) == 0) {
    return("")
  }
  paste0("Sources: ", paste0("(", seq_along(sources), ") ", sources, collapse = "; "), ".")
}

#' Dice of the network beside an intensity window's and the readers'.
#' @param rows Data frame as of [compute_segmentation_baselines()].
tabulate_segmentation_ends <- function(rows) {
  new_report_table(
    paste(
      "Average Dice between the floor and the ceiling, over patients with a reference lesion; differences are paired",
      "by patient. Intervals: patient bootstrap."
    ),
    What = describe_code(rows$quantity), Patients = rows$patients, `Average Dice` = format_estimate(
      rows$value, rows$low, rows$high
    )
  )
}

#' Category accuracy of the networks beside what needs no image and what the rules reach on the truth.
#' @param ends Data frame as of [compute_baselines()] and [compute_category_ceiling()], together.
#' @param networks Data frame as of [compute_accuracy_table()], or NULL.
tabulate_category_ends <- function(ends, networks) {
  networks <- networks[networks$scoring == "reference_regions", ]
  columns <- c(
    "name", "successes", "n", "proportion", "low", "high", "kappa_linear", "kappa_linear_low", "kappa_linear_high"
  )
  ends$name <- describe_code(ends$baseline)
  if (NROW(networks) > 0) {
    networks$name <- paste("network", networks$variant)
    networks <- networks[order(networks$proportion), columns]
  }
  is_ceiling <- ends$baseline == "rules_on_truth"
  rows <- rbind(ends[!is_ceiling, columns], networks, ends[is_ceiling, columns])
  new_report_table(
    paste(
      "Category accuracy between the floor and the ceiling. Majority and size only are learnt on the other folds, from",
      "the most frequent category and from that of the reference diameter's stratum; networks are on reference regions."
    ),
    What = rows$name, Correct = keep_together(paste(rows$successes, "/", rows$n)),
    `Accuracy (%)` = format_estimate(100 * rows$proportion, 100 * rows$low, 100 * rows$high, 1),
    `Weighted kappa` = format_estimate(rows$kappa_linear, rows$kappa_linear_low, rows$kappa_linear_high, 2)
  )
}
