#' What is told of each condition, beside the same patients as they were acquired.
CONDITION_MEASURES <- c("average", "recall", "false_per_patient")

#' Patients of the fresh draw with a phase moved, missing or acquired at another time.
#'
#' @param rows Data frame as of [collect_draws()].
#' @return Data frame `segmentation`, `condition`, `amount`, the columns of [summarize_draw()], and, paired by patient,
#'   the difference from the same patients as acquired of each of `CONDITION_MEASURES`, `<measure>_difference` with its
#'   limits. A condition with amounts has a row at 0. NULL where no patient was scored under a condition.
compute_draw_conditions <- function(rows) {
  changed <- rows[rows$condition != "as_acquired", ]
  if (nrow(changed) == 0) {
    return(NULL)
  }
  # These patients are some of their draw's, and are resampled among themselves.
  weights <- draw_patient_weights(unique(changed[c("patient_id", "group")]))
  conditions <- unique(changed[c("segmentation", "condition")])
  conditions <- conditions[order(match(conditions$segmentation, unique(rows$segmentation)), conditions$condition), ]
  parts <- lapply(seq_len(nrow(conditions)), function(i) {
    segmentation <- conditions$segmentation[i]
    at <- changed[changed$segmentation == segmentation & changed$condition == conditions$condition[i], ]
    acquired <- rows[rows$segmentation == segmentation & rows$condition == "as_acquired", ]
    compare_with_acquired(at, acquired[acquired$patient_id %in% at$patient_id, ], weights)
  })
  do.call(rbind, parts)
}

#' The rows of [compute_draw_conditions()] of one segmentation variant and condition.
#'
#' @param at Rows of [collect_draws()] under the condition, at all of its amounts.
#' @param acquired Those of the same patients as they were acquired, which are the amount 0 of a condition that has none
#'   of its own.
#' @param weights Matrix as of [draw_patient_weights()].
compare_with_acquired <- function(at, acquired, weights) {
  has_amounts <- !anyNA(at$amount)
  if (has_amounts && !0 %in% at$amount) {
    at <- rbind(at, transform(acquired, condition = at$condition[1], amount = 0))
  }
  zero <- if (has_amounts) at[at$amount == 0, ] else acquired
  amounts <- if (has_amounts) split(at, at$amount) else list(at)
  parts <- lapply(unname(amounts), function(rows) {
    differences <- lapply(CONDITION_MEASURES, function(measure) {
      pair <- compute_measure_difference(rows, zero, measure, weights)[c("difference", "low", "high")]
      stats::setNames(pair, paste0(measure, "_difference", c("", "_low", "_high")))
    })
    data.frame(
      segmentation = rows$segmentation[1], condition = as.character(rows$condition[1]), amount = rows$amount[1],
      summarize_draw(rows, weights), do.call(cbind, differences)
    )
  })
  do.call(rbind, parts)
}

#' Words for a condition.
#'
#' @param condition,amount Columns of draws.csv.
#' @return Character vector such as "arterial phase moved by 3 mm".
describe_condition <- function(condition, amount) {
  condition <- as.character(condition)
  phase <- paste(gsub("_", " ", sub("_(moved|missing|later)$", "", condition)), "phase")
  words <- ifelse(
    endsWith(condition, "_moved"), paste(phase, "moved by", amount, "mm"),
    ifelse(
      endsWith(condition, "_later"), paste(phase, abs(amount), "s", ifelse(amount < 0, "earlier", "later")),
      paste("without the", phase)
    )
  )
  ifelse(amount %in% 0, paste0(phase, ", as acquired"), words)
}

#' Whether each row is of a phase that is missing.
#' @param rows Data frame as of [compute_draw_conditions()], or NULL.
is_missing_phase <- function(rows) endsWith(as.character(rows$condition), "_missing")
