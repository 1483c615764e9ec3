#' How much worse this network's average Dice may be before it counts as worse than the plain U-Net's.
YARDSTICK_MARGIN <- 0.03

OWN_NETWORK <- "unet_plus_plus"
PLAIN_NETWORK <- "plain_unet"

#' Columns that tell one training from another.
TRAINING_KEY <- c("network", "segmentation", "core_minutes", "test_folds")

#' Reads and checks the table of other networks and more minutes, which belongs to no run.
#'
#' @param path yardsticks.csv.
#' @param schema Data frame as of [read_schema()], of yardsticks_schema.csv.
#' @return Data frame, a row a training and test patient; NULL if the file is absent or has no row. Raises an
#'   `input_error` with every problem.
read_yardsticks <- function(path, schema) {
  # Which segmentation variants there are is not the run's to say.
  read <- read_results_table(dirname(path), basename(path), resolve_variants(schema, NULL))
  stop_for_problems(rbind(read$problems, check_yardsticks(read$table)))
  if (NROW(read$table) > 0) read$table
}

#' Checks that a table is of one cohort and of the same settings, and each training of one network.
#'
#' @param yardsticks Data frame as yardsticks.csv, or NULL.
#' @return Problems.
check_yardsticks <- function(yardsticks) {
  if (NROW(yardsticks) == 0) {
    return(new_problems())
  }
  check_same <- function(column, group, expected) {
    values <- as.character(yardsticks[[column]])
    rows <- which(values != values[match(group, group)])
    new_problems("yardsticks.csv", column, rows + 1, expected, sprintf("'%s'", values[rows]))
  }
  training <- row_keys(yardsticks, TRAINING_KEY)
  facts <- c("steps", "parameters", "pretrained", "pretraining_core_s", "training_core_s")
  do.call(rbind, c(
    lapply(c("cohort_seed", "profile_digest"), check_same, rep(1, nrow(yardsticks)), "the same in all rows"),
    lapply(facts, check_same, training, "the same for all patients of a training")
  ))
}

#' The cohort of the table, which is not the run's.
#' @param yardsticks Data frame as of [read_yardsticks()].
label_yardsticks <- function(yardsticks) {
  sprintf("virtual cohort for development (seed %s)", yardsticks$cohort_seed[1])
}

#' Bootstrap weights of the patients of the table, drawn among those that were tested together.
#' @param yardsticks Data frame as of [read_yardsticks()].
#' @return Matrix as of [draw_patient_weights()].
draw_yardstick_weights <- function(yardsticks) {
  first <- yardsticks[!duplicated(yardsticks$patient_id), ]
  draw_patient_weights(data.frame(patient_id = first$patient_id, group = first$test_folds))
}

#' Average and median Dice of each training.
#'
#' @param yardsticks Data frame as of [read_yardsticks()].
#' @param weights Matrix as of [draw_yardstick_weights()].
#' @return Data frame, two rows a training: those of `TRAINING_KEY`, `steps`, `parameters`, `pretrained`, `statistic`
#'   (average, median), `patients`, `value`, `low`, `high`.
compute_yardstick_dice <- function(yardsticks, weights) {
  key <- row_keys(yardsticks, TRAINING_KEY)
  rows <- lapply(split(yardsticks, factor(key, unique(key))), function(rows) {
    dice <- summarize_local_dice(data.frame(rows[c("patient_id", "dice")], threshold = NA_real_), weights)
    facts <- rows[c(1, 1), c(TRAINING_KEY, "steps", "parameters", "pretrained")]
    data.frame(facts, dice[c("statistic", "patients", "value", "low", "high")], row.names = NULL)
  })
  table <- do.call(rbind, unname(rows))
  table[order(table$network, table$segmentation, table$test_folds, table$core_minutes), ]
}

#' This network against the plain U-Net for the same minutes, paired by patient.
#'
#' @param yardsticks Data frame as of [read_yardsticks()].
#' @param weights Matrix as of [draw_yardstick_weights()].
#' @return Data frame, a row a segmentation variant and number of minutes for which some patients were tested by both:
#'   `segmentation`, `core_minutes`, `patients`, `own` and `plain` (average Dice), `difference`, `low`, `high`,
#'   `verdict` as of [decide_not_worse()]; NULL if there is none.
compare_with_plain_unet <- function(yardsticks, weights) {
  of <- function(network) {
    yardsticks[yardsticks$network == network, c("segmentation", "core_minutes", "test_folds", "patient_id", "dice")]
  }
  pairs <- merge(
    of(OWN_NETWORK), of(PLAIN_NETWORK), by = c("segmentation", "core_minutes", "test_folds", "patient_id"),
    suffixes = c("_own", "_plain")
  )
  key <- row_keys(pairs, c("segmentation", "core_minutes"))
  rows <- lapply(split(pairs, factor(key, unique(key))), function(pairs) {
    difference <- stats::setNames(pairs$dice_own - pairs$dice_plain, pairs$patient_id)
    found <- compute_patient_mean(difference, weights)
    data.frame(
      segmentation = pairs$segmentation[1], core_minutes = pairs$core_minutes[1], patients = found$patients,
      own = mean(pairs$dice_own), plain = mean(pairs$dice_plain), difference = found$value, found[c("low", "high")],
      verdict = decide_not_worse(found$low)
    )
  })
  do.call(rbind, unname(rows))
}

#' Verdict on a paired difference of the average Dice.
#'
#' @param low Lower 95 % limit; NA where there is none.
#' @return "not worse by" and `YARDSTICK_MARGIN` if the limit lies above its negative, else "not shown".
decide_not_worse <- function(low) {
  if (isTRUE(low > -YARDSTICK_MARGIN)) paste("not worse by", YARDSTICK_MARGIN) else "not shown"
}

#' The average Dice over minutes, of the test folds for which this network was trained most differently long.
#'
#' @param dice Data frame as of [compute_yardstick_dice()].
#' @return Its averages of those folds, of every network; NULL where no fold has two lengths.
select_yardstick_curve <- function(dice) {
  averages <- dice[dice$statistic == "average", ]
  own <- averages[averages$network == OWN_NETWORK, ]
  lengths <- tapply(own$core_minutes, own$test_folds, function(minutes) length(unique(minutes)))
  if (length(lengths) == 0 || max(lengths) < 2) {
    return(NULL)
  }
  averages[averages$test_folds == names(which.max(lengths)), ]
}
