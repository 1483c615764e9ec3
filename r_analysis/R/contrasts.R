#' The contrasts that the plan names, all of category accuracy on reference regions: `first` minus `second`.
#'
#' Which variants they are follows from what the variants are: with and without the phase switch for each trunk; the
#' main variant against the direct networks that are trained whole; a direct network trained whole against one whose
#' trunk is frozen; the main variant against the same training on another trunk. Where several variants are alike, the
#' first of them is taken.
#'
#' @param variants Data frame as variants.csv.
#' @return Data frame `question` (mode, direct, tuning, trunk), `part` (which of the contrasts of the question),
#'   `contrast` (words), `first`, `second` (names of variants).
list_contrasts <- function(variants) {
  features <- variants[variants$kind == "features", ]
  features <- features[!duplicated(features[c("trunk", "mode")]), ]
  direct <- variants[variants$kind == "direct", ]
  direct <- direct[!duplicated(direct[c("frozen", "size_input")]), ]
  main <- features[1, ]
  new_contrasts <- function(question, part, contrast, first, second) {
    count <- max(length(first), length(second)) * (min(length(first), length(second)) > 0)
    data.frame(
      question = rep(question, count), part = rep_len(part, count), contrast = rep_len(contrast, count),
      first = rep_len(first, count), second = rep_len(second, count)
    )
  }
  plain <- features[features$mode == "plain", ]
  adaptive <- features[features$mode == "adaptive" & features$trunk %in% plain$trunk, ]
  plain <- plain[match(adaptive$trunk, plain$trunk), ]
  whole <- direct[direct$frozen == 0, ]
  size <- ifelse(whole$size_input == 1, "with size", "without size")
  tuned <- direct[direct$frozen == 0 & direct$size_input == 0, ]
  frozen <- direct[direct$frozen == 1 & direct$size_input == 0, ]
  others <- features[features$mode == main$mode & features$trunk != main$trunk, ]
  trunk <- describe_code(adaptive$trunk)
  rbind(
    new_contrasts("mode", trunk, paste0("adaptive - plain, ", trunk), adaptive$variant, plain$variant),
    new_contrasts(
      "direct", paste("direct network", size), paste0("characterised - direct, ", size), main$variant, whole$variant
    ),
    new_contrasts("tuning", "", "fine-tuned - frozen, direct", tuned$variant, frozen$variant),
    new_contrasts(
      "trunk", "", sprintf("%s - %s, %s", describe_code(main$trunk), describe_code(others$trunk), main$mode),
      main$variant, others$variant
    )
  )
}

#' Whether a variant is right about each lesion; a lesion without a category (missed, or LR-NC) is an error.
#'
#' @param categories Data frame `variant`, `roi`, `detected`, `patient_id`, `lesion_id`, `category_ref`,
#'   `category_pred`.
#' @param variant Its name.
#' @param scoring Name in `SCORINGS`.
#' @return Logical vector; names are patient and lesion. No element if the variant is not there.
find_correct <- function(categories, variant, scoring = "reference_regions") {
  rows <- select_scoring(categories[categories$variant == variant, ], scoring)
  stats::setNames(
    !is.na(rows$category_pred) & as.character(rows$category_pred) == as.character(rows$category_ref),
    row_keys(rows, c("patient_id", "lesion_id"))
  )
}

#' Patients of the lesions.
#' @param correct Logical vector as of [find_correct()].
find_patient <- function(correct) sub(" \\| .*$", "", names(correct))

#' The named contrasts with their effects, intervals and p values.
#'
#' Interval: percentiles of the patient bootstrap. p: [compute_sign_flip()]. Holm's adjustment is over all contrasts
#' whether or not all are in the run, so that leaving one out helps no other. McNemar's exact test stands beside; it
#' ignores that lesions come in patients.
#'
#' @param categories Data frame as for [find_correct()].
#' @param contrasts Data frame as of [list_contrasts()].
#' @param weights Matrix as of [draw_patient_weights()].
#' @return `contrast`, `first` and `second` of the contrasts with `patients`, `n`, `accuracy_first`, `accuracy_second`,
#'   `difference`, `low`, `high`, `p`, `p_holm`, `only_first`, `only_second` (lesions), `p_mcnemar`, `gap` (the variants
#'   that are not in the run).
compute_contrasts <- function(categories, contrasts, weights) {
  rows <- lapply(seq_len(nrow(contrasts)), function(i) {
    variants <- unlist(contrasts[i, c("first", "second")], use.names = FALSE)
    correct <- lapply(variants, function(variant) find_correct(categories, variant))
    absent <- variants[lengths(correct) == 0]
    if (length(absent) > 0) {
      return(data.frame(gap = paste(absent, collapse = ", ")))
    }
    compute_paired_difference(correct[[1]], correct[[2]], weights)
  })
  table <- cbind(contrasts[c("contrast", "first", "second")], dplyr::bind_rows(c(list(new_paired_difference()), rows)))
  table$p_holm <- stats::p.adjust(table$p, "holm", n = nrow(contrasts))
  table
}

#' The columns of [compute_paired_difference()] and `gap`, without a row.
new_paired_difference <- function() {
  data.frame(
    patients = numeric(), n = numeric(), accuracy_first = numeric(), accuracy_second = numeric(),
    difference = numeric(), low = numeric(), high = numeric(), p = numeric(), p_holm = numeric(),
    only_first = numeric(), only_second = numeric(), p_mcnemar = numeric(), gap = character()
  )
}

#' Difference of two accuracies over the same lesions.
#'
#' @param first,second Logical vectors as of [find_correct()].
#' @param weights Matrix as of [draw_patient_weights()].
#' @return One row as of [compute_contrasts()], without `p_holm` and `gap`.
compute_paired_difference <- function(first, second, weights) {
  second <- second[names(first)]
  patient_id <- find_patient(first)
  difference <- first - second
  n <- sum_by_patient(rep(1, length(first)), patient_id, weights)
  resampled <- resample_ratio(sum_by_patient(difference, patient_id, weights), n, weights)
  only <- c(sum(first & !second), sum(second & !first))
  data.frame(
    patients = sum(n > 0), n = length(first), accuracy_first = mean(first), accuracy_second = mean(second),
    difference = mean(difference), compute_bootstrap_interval(resampled)[c("low", "high")],
    p = compute_sign_flip(difference, patient_id), only_first = only[1], only_second = only[2],
    p_mcnemar = compute_mcnemar(only[1], only[2])
  )
}

#' McNemar's exact test: two-sided binomial test of the discordant lesions; it ignores that lesions come in patients.
#'
#' @param only_first,only_second Lesions that one of two methods alone is right about.
#' @return p value; 1 without discordant lesions.
compute_mcnemar <- function(only_first, only_second) {
  mapply(function(b, c) {
    if (b + c == 0) 1 else stats::binom.test(b, b + c)$p.value
  }, only_first, only_second)
}
