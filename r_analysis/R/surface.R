#' Surface distances and volumes at each fold's own threshold: medians over patients with patient-bootstrap intervals.
#'
#' Distances are over the patients in whom both masks have a voxel, volume errors over those with a reference lesion,
#' found or not, volumes of false findings over those without. A median is of what most patients are like; a mean
#' would be that of a few patients with distant false findings.
#'
#' @param surface Data frame as surface.csv, or NULL.
#' @param weights Matrix as of [draw_patient_weights()].
#' @return Data frame `quantity`, `patients`, `unit`, `value`, `low`, `high`, without the rows that no patient has; NULL
#'   if there is none.
compute_surface_table <- function(surface, weights) {
  surface <- surface[surface$patient_id %in% rownames(weights), ]
  if (NROW(surface) == 0) {
    return(NULL)
  }
  is_positive <- surface$volume_ref_ml > 0
  error <- ifelse(is_positive, surface$volume_pred_ml - surface$volume_ref_ml, NA)
  values <- list(
    "mean surface distance" = surface$mean_surface_distance_mm, "95 % Hausdorff distance" = surface$hausdorff95_mm,
    "volume, predicted minus reference" = error, "the same, without its sign" = abs(error),
    "volume predicted where there is no lesion" = ifelse(is_positive, NA, surface$volume_pred_ml)
  )
  rows <- Map(function(value, quantity, unit) {
    known <- !is.na(value)
    if (!any(known)) {
      return(NULL)
    }
    interval <- compute_bootstrap_interval(resample_median(value[known], surface$patient_id[known], weights))
    data.frame(
      quantity = quantity, patients = sum(known), unit = unit, value = stats::median(value[known]),
      interval[c("low", "high")]
    )
  }, values, names(values), c("mm", "mm", "ml", "ml", "ml"))
  do.call(rbind, unname(rows))
}

#' Dice of the pre-trained network on the CT volumes that were held out for early stopping: mean, lowest and highest.
#'
#' Too few volumes for an interval, and training stopped by them: the range is shown.
#'
#' @param dice Data frame as pretrain_dice.csv, or NULL.
#' @return Data frame `label`, `volumes`, `value` (mean), `low`, `high` (the range), one row a label that has a Dice;
#'   NULL if there is none.
compute_pretraining_dice <- function(dice) {
  dice <- dice[!is.na(dice$dice), ]
  if (NROW(dice) == 0) {
    return(NULL)
  }
  rows <- lapply(split(dice, dice$label, drop = TRUE), function(part) {
    data.frame(
      label = as.character(part$label[1]), volumes = nrow(part), value = mean(part$dice), low = min(part$dice),
      high = max(part$dice)
    )
  })
  do.call(rbind, unname(rows))
}

#' Surface distances and volumes.
#' @param rows Data frame as of [compute_surface_table()], or NULL.
tabulate_surface <- function(rows) {
  new_report_table(
    paste(
      "Distances between the surfaces of the predicted and the reference mask, and volumes, at each fold's own",
      "threshold: medians over patients. A patient in whom one mask is empty has no distance."
    ),
    What = rows$quantity, Patients = rows$patients,
    Median = if (NROW(rows) > 0) format_estimate(rows$value, rows$low, rows$high, 1, rows$unit) else character()
  )
}

#' Dice of the pre-trained network.
#' @param rows Data frame as of [compute_pretraining_dice()], or NULL.
#' @param source On what; NA if the run does not tell.
tabulate_pretraining <- function(rows, source) {
  new_report_table(
    paste0(
      "Pre-training on ", if (is.na(source)) "CT" else source, ": Dice of the whole liver and of its tumours on ",
      "the volumes that were held out for early stopping; mean and range. The article's abstract names a liver ",
      "segmentation and prints no number."
    ),
    Label = rows$label, Volumes = rows$volumes,
    `Mean Dice, lowest to highest` = if (NROW(rows) > 0) sprintf(
      "%s, %s to %s", format_number(rows$value), format_number(rows$low), format_number(rows$high)
    ) else character()
  )
}
