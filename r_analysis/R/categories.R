#' The three ways to count a missed lesion (ledger item 24): name, region, and whether missed lesions count as errors.
SCORINGS <- list(
  reference_regions = list(roi = "reference_roi", missed_are_errors = FALSE),
  detected_lesions = list(roi = "automatic_roi", missed_are_errors = FALSE),
  end_to_end = list(roi = "automatic_roi", missed_are_errors = TRUE)
)

#' Rows of the categories that a way of scoring looks at.
#'
#' @param categories Data frame `roi`, `detected`, and others.
#' @param scoring Name in `SCORINGS`.
#' @return The rows.
select_scoring <- function(categories, scoring) {
  rule <- SCORINGS[[scoring]]
  categories[categories$roi == rule$roi & (rule$missed_are_errors | categories$detected == 1), ]
}

#' Accuracy and agreement of the categories, for each variant and way of scoring.
#'
#' Accuracy has a Wilson interval with n divided by the design effect; weighted kappa has a patient-bootstrap interval
#' and leaves missed lesions out.
#'
#' @param categories Data frame `variant`, `roi`, `patient_id`, `category_ref`, `category_pred`, `detected`.
#' @param weights Matrix as of [draw_patient_weights()].
#' @return Data frame `variant`, `scoring`, the columns of [compute_clustered_proportion()], `missed`,
#'   `overcategorized`, `undercategorized`, and for each of `kappa_linear` and `kappa_quadratic` the value and its
#'   limits.
compute_accuracy_table <- function(categories, weights) {
  combinations <- expand.grid(scoring = names(SCORINGS), variant = levels(categories$variant), stringsAsFactors = FALSE)
  rows <- lapply(seq_len(nrow(combinations)), function(i) {
    lesions <- select_scoring(categories[categories$variant == combinations$variant[i], ], combinations$scoring[i])
    if (nrow(lesions) == 0) {
      return(NULL)
    }
    scored <- lesions[!is.na(lesions$category_pred), ]
    shift <- as.integer(scored$category_pred) - as.integer(scored$category_ref)
    correct <- !is.na(lesions$category_pred) & as.character(lesions$category_pred) == as.character(lesions$category_ref)
    kappa <- lapply(c(kappa_linear = "linear", kappa_quadratic = "quadratic"), function(weighting) {
      compute_kappa(scored$category_ref, scored$category_pred, scored$patient_id, weights, weighting)
    })
    kappa <- do.call(cbind, lapply(names(kappa), function(name) {
      stats::setNames(kappa[[name]][c("value", "low", "high")], paste0(name, c("", "_low", "_high")))
    }))
    data.frame(
      combinations[i, c("variant", "scoring")], compute_clustered_proportion(correct, lesions$patient_id),
      missed = sum(is.na(lesions$category_pred)), overcategorized = sum(shift > 0), undercategorized = sum(shift < 0),
      kappa,
      row.names = NULL
    )
  })
  do.call(rbind, rows)
}

#' Confusion matrices in long form, for each variant and way of scoring.
#'
#' @param categories Data frame as for [compute_accuracy_table()].
#' @return Data frame `variant`, `scoring`, `category_ref`, `category_pred` (a category or "missed"), `n`, `row_share`
#'   (of the reference category); combinations without a lesion have 0.
compute_confusion <- function(categories) {
  combinations <- expand.grid(scoring = names(SCORINGS), variant = levels(categories$variant), stringsAsFactors = FALSE)
  rows <- lapply(seq_len(nrow(combinations)), function(i) {
    lesions <- select_scoring(categories[categories$variant == combinations$variant[i], ], combinations$scoring[i])
    if (nrow(lesions) == 0) {
      return(NULL)
    }
    missed <- if (SCORINGS[[combinations$scoring[i]]]$missed_are_errors || anyNA(lesions$category_pred)) "missed"
    predicted <- factor(
      ifelse(is.na(lesions$category_pred), "missed", as.character(lesions$category_pred)),
      c(levels(lesions$category_ref), missed)
    )
    counts <- table(category_ref = lesions$category_ref, category_pred = predicted)
    long <- as.data.frame(counts, responseName = "n", stringsAsFactors = FALSE)
    long$row_share <- long$n / rowSums(counts)[long$category_ref]
    cbind(combinations[i, c("variant", "scoring")], long, row.names = NULL)
  })
  do.call(rbind, rows)
}

#' Combinations of variant and region that the schema knows and this run does not have.
#'
#' @param categories Data frame `variant`, `roi` (factors whose levels are all that may occur).
#' @return Data frame `variant`, `roi`.
find_gaps <- function(categories) {
  all <- expand.grid(roi = levels(categories$roi), variant = levels(categories$variant), stringsAsFactors = FALSE)
  all[!paste(all$variant, all$roi) %in% paste(categories$variant, categories$roi), c("variant", "roi")]
}

#' Accuracy of each variant on the test half of a half split of the patients.
#'
#' The size of that half is near the article's inferred n (ledger item 2). A missed lesion is an error.
#'
#' @param half_split Data frame as half_split.csv, or NULL.
#' @return Data frame `variant`, `roi` and the columns of [compute_clustered_proportion()]; NULL without the table.
compute_half_split <- function(half_split) {
  groups <- if (!is.null(half_split)) split(half_split, list(half_split$roi, half_split$variant), drop = TRUE)
  rows <- lapply(groups, function(lesions) {
    correct <- (as.character(lesions$category_pred) == as.character(lesions$category_ref)) %in% TRUE
    data.frame(
      lesions[1, c("variant", "roi")], compute_clustered_proportion(correct, lesions$patient_id), row.names = NULL
    )
  })
  do.call(rbind, unname(rows))
}

#' How far the accuracy of a variant moves with the seed of its training alone.
#'
#' @param seed_accuracy Data frame as seed_accuracy.csv, or NULL.
#' @return Data frame `variant`, `roi`, `seeds`, `mean`, `sd`, `lowest`, `highest`; NULL without the table.
compute_seed_table <- function(seed_accuracy) {
  if (is.null(seed_accuracy)) {
    return(NULL)
  }
  seed_accuracy |>
    dplyr::group_by(.data$variant, .data$roi) |>
    dplyr::summarise(
      seeds = dplyr::n(), mean = mean(.data$accuracy), sd = stats::sd(.data$accuracy), lowest = min(.data$accuracy),
      highest = max(.data$accuracy), .groups = "drop"
    ) |>
    as.data.frame()
}

#' Over- and under-categorisation, and how many errors lie between neighbouring categories.
#'
#' @param categories Data frame as for [compute_accuracy_table()].
#' @return Data frame `variant`, `scoring` (without end to end and without lesions that have no category: neither has a
#'   direction), `patients`,
#'   `n`, and `over`, `under` (shares of the lesions) and `neighbour` (share of the errors) with their limits.
compute_shifts <- function(categories) {
  scorings <- c("reference_regions", "detected_lesions")
  combinations <- expand.grid(scoring = scorings, variant = levels(categories$variant), stringsAsFactors = FALSE)
  rows <- lapply(seq_len(nrow(combinations)), function(i) {
    lesions <- select_scoring(categories[categories$variant == combinations$variant[i], ], combinations$scoring[i])
    lesions <- lesions[!is.na(lesions$category_pred), ]
    if (nrow(lesions) == 0) {
      return(NULL)
    }
    shift <- as.integer(lesions$category_pred) - as.integer(lesions$category_ref)
    wrong <- shift != 0
    share <- function(what, of, name) {
      label_proportion(compute_clustered_proportion(what[of], lesions$patient_id[of]), name)
    }
    all <- rep(TRUE, nrow(lesions))
    data.frame(
      combinations[i, c("variant", "scoring")], patients = length(unique(lesions$patient_id)), n = nrow(lesions),
      share(shift > 0, all, "over"), share(shift < 0, all, "under"), share(abs(shift) == 1, wrong, "neighbour"),
      row.names = NULL
    )
  })
  do.call(rbind, rows)
}
