#' The usual intervals and tests that take every lesion for a patient of its own, beside those that do not.
#'
#' Accuracy: Wilson with the number of lesions. AUC: DeLong ER, DeLong DM, Clarke-Pearson DL. Biometrics 1988;44:837-845
#' (package pROC), which compares all lesions whatever their fold. Difference of accuracies: McNemar's exact test.
#'
#' @param accuracy Data frame as of [compute_accuracy_table()], or NULL.
#' @param discrimination Data frame as of [compute_feature_table()], or NULL.
#' @param contrasts Data frame as of [compute_contrasts()].
#' @param features Data frame as features.csv.
#' @return Data frame `quantity`, `what`, `value`, `low`, `high`, `p` (respecting the patient) and `plain_low`,
#'   `plain_high`, `plain_p`, `plain_method`.
compute_ignoring_clustering <- function(accuracy, discrimination, contrasts, features) {
  new_row <- function(quantity, what, value, low, high, p, plain_low, plain_high, plain_p, plain_method) {
    data.frame(quantity, what, value, low, high, p, plain_low, plain_high, plain_p, plain_method)
  }
  none <- NA_real_
  accuracy <- accuracy[accuracy$scoring == "reference_regions", ]
  contrasts <- contrasts[!is.na(contrasts$difference), ]
  is_pooled <- discrimination$statistic == "auc_pooled" & discrimination$roi == "reference_roi"
  pooled <- discrimination[is_pooled & !is.na(discrimination$value), ]
  rbind(
    if (NROW(accuracy) > 0) {
      plain <- compute_wilson_interval(accuracy$proportion, accuracy$n)
      new_row(
        "accuracy", accuracy$variant, accuracy$proportion, accuracy$low, accuracy$high, none, plain$low, plain$high,
        none, "Wilson"
      )
    },
    if (NROW(contrasts) > 0) {
      new_row(
        "difference of accuracies", contrasts$contrast, contrasts$difference, contrasts$low, contrasts$high,
        contrasts$p, none, none, contrasts$p_mcnemar, "McNemar's exact test"
      )
    },
    if (NROW(pooled) > 0) {
      plain <- do.call(rbind, lapply(seq_len(nrow(pooled)), function(i) {
        compute_delong(features[
          features$variant == pooled$variant[i] & features$roi == "reference_roi" &
            features$feature == pooled$feature[i],
        ])
      }))
      new_row(
        "AUC, pooled", paste(pooled$variant, describe_code(pooled$feature)), pooled$value, pooled$low, pooled$high,
        none, plain$low, plain$high, none, "DeLong"
      )
    }
  )
}

#' DeLong's 95 % interval of the area under the ROC curve of some lesions.
#'
#' @param lesions Data frame `reference`, `probability`.
#' @return Data frame `low`, `high`; NA for a perfect area, whose DeLong variance is 0.
compute_delong <- function(lesions) {
  known <- lesions[!is.na(lesions$reference) & !is.na(lesions$probability), ]
  none <- data.frame(low = NA_real_, high = NA_real_)
  # DeLong's variance needs two lesions of each kind.
  if (min(table(factor(known$reference, 0:1))) < 2) {
    return(none)
  }
  roc <- pROC::roc(known$reference, known$probability, levels = 0:1, direction = "<", quiet = TRUE)
  interval <- suppressWarnings(as.numeric(pROC::ci.auc(roc, method = "delong")))
  if (interval[1] == interval[3]) none else data.frame(low = interval[1], high = interval[3])
}
