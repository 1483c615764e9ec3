#' Category that is most frequent; the lower one of equals.
#'
#' @param category Factor.
#' @return String, NA without values.
find_most_frequent <- function(category) {
  counts <- table(category)
  if (sum(counts) == 0) NA_character_ else names(counts)[which.max(counts)]
}

#' Category of a size alone: the most frequent one of the size stratum among the reference lesions of the other folds.
#'
#' A stratum without lesions in the other folds takes their most frequent category.
#'
#' @param lesions Data frame `fold`, `diameter_mm`, `category_ref`: the reference lesions.
#' @param diameter_mm Diameters of the same lesions that are asked for; NA for none.
#' @return Character vector; NA where there is no diameter, or nothing to learn from.
predict_size_only <- function(lesions, diameter_mm) {
  learnt <- cut_size(lesions$diameter_mm)
  asked <- cut_size(diameter_mm)
  category <- character(nrow(lesions))
  for (fold in unique(lesions$fold)) {
    test <- lesions$fold == fold
    of_size <- vapply(
      levels(learnt), function(s) find_most_frequent(lesions$category_ref[!test & learnt == s]), character(1)
    )
    of_size[is.na(of_size)] <- find_most_frequent(lesions$category_ref[!test])
    category[test] <- unname(of_size[asked[test]])
  }
  category
}

#' What can be had without any image: always the most frequent category, and the most frequent category of the size
#' stratum.
#'
#' Both are learnt on the lesions of the other folds and scored on the lesions of the fold.
#'
#' @param lesions Data frame `patient_id`, `fold`, `diameter_mm`, `category_ref`.
#' @param weights Matrix as of [draw_patient_weights()].
#' @return Data frame `baseline` (majority, size_only), the columns of [compute_clustered_proportion()] and
#'   `kappa_linear`, `kappa_linear_low`, `kappa_linear_high`.
compute_baselines <- function(lesions, weights) {
  majority <- character(nrow(lesions))
  for (fold in unique(lesions$fold)) {
    test <- lesions$fold == fold
    majority[test] <- find_most_frequent(lesions$category_ref[!test])
  }
  size_only <- predict_size_only(lesions, lesions$diameter_mm)
  rows <- lapply(list(majority = majority, size_only = size_only), function(predicted) {
    predicted <- factor(predicted, levels(lesions$category_ref))
    known <- !is.na(predicted)
    kappa <- compute_kappa(lesions$category_ref[known], predicted[known], lesions$patient_id[known], weights, "linear")
    data.frame(
      compute_clustered_proportion(
        (known & as.character(predicted) == as.character(lesions$category_ref)) %in% TRUE, lesions$patient_id
      ),
      kappa_linear = kappa$value, kappa_linear_low = kappa$low, kappa_linear_high = kappa$high
    )
  })
  cbind(baseline = names(rows), do.call(rbind, unname(rows)))
}
