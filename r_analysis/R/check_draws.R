#' draws.csv tells one story: of every variant on the same patients, who are known where they are the run's own.
#'
#' @param results Named list of sound data frames with `patients` and `draws`.
#' @return Problems; none where no patient was drawn.
check_draws <- function(results) {
  draws <- results$draws
  if (nrow(draws) == 0) {
    return(new_problems())
  }
  rbind(check_draw_counts(draws), check_draw_conditions(draws), check_draw_patients(draws, results$patients))
}

#' Rows of draws.csv of which something is not true.
#'
#' @param draws Data frame as draws.csv.
#' @param bad Logical, one a row.
#' @param column Column to name, whose value is told.
#' @param expected What was asked for; one, or one a row.
#' @return Problems.
complain_of_draws <- function(draws, bad, column, expected) {
  rows <- which(bad)
  found <- draws[[column]][rows]
  new_problems(
    "draws.csv", column, rows + 1, rep_len(expected, nrow(draws))[rows],
    ifelse(is.na(found), "an empty cell", sprintf("'%s'", found))
  )
}

#' No more lesions are found than there are, and Dice is there where a reference lesion is.
#' @param draws Data frame as draws.csv.
check_draw_counts <- function(draws) {
  complain <- function(bad, column, expected) complain_of_draws(draws, bad, column, expected)
  finds <- draws$n_detected > 0
  rbind(
    complain(
      draws$n_detected > draws$n_reference, "n_detected", sprintf("at most n_reference, %g", draws$n_reference)
    ),
    complain(
      draws$n_matched > draws$n_predicted, "n_matched", sprintf("at most n_predicted, %g", draws$n_predicted)
    ),
    complain(
      finds != (draws$n_matched > 0), "n_matched",
      ifelse(finds, "above 0, because lesions are detected", "0, because no lesion is detected")
    ),
    complain(
      is.na(draws$dice) & draws$n_reference > 0, "dice", "a number in [0, 1], because there is a reference lesion"
    ),
    complain(
      !is.na(draws$dice) & draws$n_reference == 0, "dice", "an empty cell, because there is no reference lesion"
    )
  )
}

#' Phases are changed on the fresh draw alone, by an amount where the condition has one.
#' @param draws Data frame as draws.csv.
check_draw_conditions <- function(draws) {
  condition <- as.character(draws$condition)
  has_amount <- grepl("_(moved|later)$", condition)
  rbind(
    complain_of_draws(
      draws, condition != "as_acquired" & draws$draw != "fresh", "draw", sprintf("fresh, because of %s", condition)
    ),
    complain_of_draws(draws, is.na(draws$amount) & has_amount, "amount", sprintf("a number for %s", condition)),
    complain_of_draws(draws, !is.na(draws$amount) & !has_amount, "amount", sprintf("an empty cell for %s", condition)),
    complain_of_draws(
      draws, !is.na(draws$amount) & draws$amount < 0 & endsWith(condition, "_moved"), "amount", "a distance from 0 on"
    )
  )
}

#' Every variant has every patient of every draw as acquired, those of the cross-validation are the run's own, and a
#' patient has one group.
#' @param draws,patients Data frames as draws.csv and patients.csv.
check_draw_patients <- function(draws, patients) {
  columns <- c("draw", "draw_patient_id")
  acquired <- draws[draws$condition == "as_acquired", ]
  own <- draws$draw == "cross_validation"
  row <- match(draws$draw_patient_id, patients$patient_id)
  of_run <- data.frame(draw = rep("cross_validation", nrow(patients)), draw_patient_id = patients$patient_id)
  expected <- unique(rbind(draws[columns], of_run))
  variants <- unique(as.character(draws$segmentation))
  absent <- setdiff(levels(draws$draw), as.character(acquired$draw))
  first <- draws[match(row_keys(draws, columns), row_keys(draws, columns)), ]
  rbind(
    complain_of_draws(draws, own & is.na(row), "draw_patient_id", "a patient of patients.csv"),
    find_disagreements(
      draws, "draws.csv", "group", ifelse(own, as.character(patients$group)[row], NA), "patients.csv"
    ),
    find_disagreements(
      draws, "draws.csv", "group", ifelse(own, NA, as.character(first$group)), "the patient's first row"
    ),
    new_problems(
      "draws.csv", "draw", rep(NA, length(absent)), sprintf("rows of %s as acquired", absent),
      rep("none", length(absent))
    ),
    find_missing_rows(acquired, "draws.csv", merge(expected, data.frame(segmentation = variants)))
  )
}
