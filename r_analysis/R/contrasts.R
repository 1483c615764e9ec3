#' The six contrasts that the plan names, all of category accuracy on reference regions: `first` minus `second`.
CONTRASTS <- data.frame(
  contrast = c(
    "adaptive - plain, VGG16", "adaptive - plain, ResNet-50", "characterised - direct, without size",
    "characterised - direct, with size", "fine-tuned - frozen, direct", "VGG16 - ResNet-50, adaptive"
  ),
  first = c(
    "vgg16-adaptive", "resnet50-adaptive", "vgg16-adaptive", "vgg16-adaptive", "direct-finetuned", "vgg16-adaptive"
  ),
  second = c(
    "vgg16-plain", "resnet50-plain", "direct-finetuned", "direct-finetuned-size", "direct-frozen", "resnet50-adaptive"
  )
)

#' Whether a variant is right about each lesion, on reference regions; a lesion without a category (LR-NC) is an error.
#'
#' @param categories Data frame `variant`, `roi`, `patient_id`, `lesion_id`, `category_ref`, `category_pred`.
#' @param variant Its name.
#' @return Logical vector; names are patient and lesion. No element if the variant is not there.
find_correct <- function(categories, variant) {
  rows <- select_scoring(categories[categories$variant == variant, ], "reference_regions")
  stats::setNames(
    !is.na(rows$category_pred) & as.character(rows$category_pred) == as.character(rows$category_ref),
    row_keys(rows, c("patient_id", "lesion_id"))
  )
}

#' The named contrasts with their effects, intervals and p values.
#'
#' Interval: percentiles of the patient bootstrap. p: [compute_sign_flip()]. Holm's adjustment is over all six contrasts
#' whether or not all are in the run, so that leaving one out helps no other. McNemar's exact test stands beside; it
#' ignores that lesions come in patients.
#'
#' @param categories Data frame as for [find_correct()].
#' @param weights Matrix as of [draw_patient_weights()].
#' @return `CONTRASTS` with `patients`, `n`, `accuracy_first`, `accuracy_second`, `difference`, `low`, `high`, `p`,
#'   `p_holm`, `only_first`, `only_second` (lesions), `p_mcnemar`, `gap` (the variants that are not in the run).
compute_contrasts <- function(categories, weights) {
  rows <- lapply(seq_len(nrow(CONTRASTS)), function(i) {
    variants <- unlist(CONTRASTS[i, c("first", "second")], use.names = FALSE)
    correct <- lapply(variants, function(variant) find_correct(categories, variant))
    absent <- variants[lengths(correct) == 0]
    if (length(absent) > 0) {
      return(data.frame(gap = paste(absent, collapse = ", ")))
    }
    compute_paired_difference(correct[[1]], correct[[2]], weights)
  })
  table <- cbind(CONTRASTS, dplyr::bind_rows(c(list(new_paired_difference()), rows)))
  table$p_holm <- stats::p.adjust(table$p, "holm", n = nrow(CONTRASTS))
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
  patient_id <- sub(" \\| .*$", "", names(first))
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
