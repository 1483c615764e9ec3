#' Words for a network of yardsticks.csv.
#' @param network Character vector or factor.
describe_network <- function(network) {
  words <- c(
    unet_plus_plus = "this network (UNet++)", plain_unet = "plain U-Net",
    segmentation_models = "segmentation-models' U-Net, ResNet-18"
  )
  unname(words[as.character(network)])
}

#' Dice of each training.
#' @param rows Data frame as of [compute_yardstick_dice()], or NULL.
tabulate_yardsticks <- function(rows) {
  if (NROW(rows) == 0) {
    return(NULL)
  }
  average <- rows[rows$statistic == "average", ]
  median <- rows[rows$statistic == "median", ]
  new_report_table(
    paste(
      "Dice of each training, over its test patients with a reference lesion, at probability 0.5 and with all",
      "components; intervals: patient bootstrap. Minutes are of one core, and hold the network's share of the",
      "pre-training where it starts from CT."
    ),
    Network = describe_network(average$network), Input = average$segmentation,
    Minutes = format_level(average$core_minutes), `Test folds` = keep_together(average$test_folds),
    Patients = average$patients, Steps = format_number(average$steps, 0),
    `Parameters (million)` = format_number(average$parameters / 1e6, 2),
    Start = ifelse(average$pretrained == 1, "CT", "random"),
    Average = format_estimate(average$value, average$low, average$high),
    Median = format_estimate(median$value, median$low, median$high)
  )
}

#' This network against the plain U-Net.
#' @param rows Data frame as of [compare_with_plain_unet()], or NULL.
tabulate_yardstick_pairs <- function(rows) {
  if (NROW(rows) == 0) {
    return(NULL)
  }
  new_report_table(
    "This network and the plain U-Net for the same minutes: average Dice over all patients that both have tested.",
    Input = rows$segmentation, Minutes = format_level(rows$core_minutes), Patients = rows$patients,
    `This network` = format_number(rows$own), `Plain U-Net` = format_number(rows$plain),
    `Difference, paired` = format_estimate(rows$difference, rows$low, rows$high), Verdict = keep_together(rows$verdict)
  )
}

#' Whose patients these are, and what one training cannot say.
#' @param yardsticks Data frame as of [read_yardsticks()].
#' @return String.
describe_yardsticks <- function(yardsticks) {
  paste0(
    "These trainings are of a ", label_yardsticks(yardsticks), ", **not of this run's patients**. Each has one seed: ",
    "what is said holds in these trainings, and the intervals tell of other patients, not of other seeds. Settings of ",
    "this network are chosen on such cohorts, which may favour it."
  )
}
