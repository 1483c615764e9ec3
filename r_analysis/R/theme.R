#' The palette of all figures: Okabe M, Ito K, Color Universal Design (2008); distinguishable with any colour vision.
#'
#' @param name Names of the palette.
#' @return Character vector of colours.
okabe_ito <- function(name) {
  unname(grDevices::palette.colors(palette = "Okabe-Ito")[name])
}

#' A colour light enough to write on: most of it white.
#'
#' @param colour Colour.
#' @return Colour.
lighten <- function(colour) {
  grDevices::rgb(t(0.3 * grDevices::col2rgb(colour) + 0.7 * 255), maxColorValue = 255)
}

#' Colours by what they stand for; the same in every figure.
#'
#' @return List of named character vectors.
figure_colours <- function() {
  list(
    dice = stats::setNames(
      okabe_ito(c("blue", "bluishgreen", "reddishpurple")), c("average", "global_positive", "global_all")
    ),
    level = stats::setNames(okabe_ito(c("blue", "vermillion")), c("lesion", "patient")),
    scoring = stats::setNames(
      okabe_ito(c("blue", "orange", "vermillion")), c("reference_regions", "detected_lesions", "end_to_end")
    ),
    roi = stats::setNames(okabe_ito(c("blue", "orange")), c("reference_roi", "automatic_roi")),
    size = stats::setNames(okabe_ito(c("vermillion", "orange", "blue")), SIZE_STRATA),
    population = okabe_ito(c("blue", "vermillion")),
    category = stats::setNames(okabe_ito(c("skyblue", "orange", "vermillion")), c("LR-3", "LR-4", "LR-5")),
    source = stats::setNames(okabe_ito(c("blue", "orange")), c("training", "early-stopping patients")),
    node = c(
      data = "grey94", step = lighten(okabe_ito("skyblue")), operation = "white", encoder = lighten(okabe_ito("blue")),
      decoder = lighten(okabe_ito("orange")), attention = lighten(okabe_ito("reddishpurple")),
      head = lighten(okabe_ito("bluishgreen")), rule = lighten(okabe_ito("yellow"))
    ),
    edge = c(
      flow = "grey30", down = "black", up = okabe_ito("vermillion"), skip = okabe_ito("blue"),
      reads = okabe_ito("bluishgreen")
    ),
    paper = "black"
  )
}

#' The theme of all figures.
#'
#' @return A ggplot2 theme.
theme_report <- function() {
  ggplot2::theme_bw(base_size = 11) +
    ggplot2::theme(
      panel.grid.minor = ggplot2::element_blank(),
      panel.grid.major = ggplot2::element_line(colour = "grey90", linewidth = 0.3),
      strip.background = ggplot2::element_rect(fill = "grey95", colour = NA),
      legend.position = "bottom", legend.box = "vertical", legend.margin = ggplot2::margin(0, 0, 0, 0),
      legend.spacing.y = grid::unit(1, "pt"),
      plot.title = ggplot2::element_text(size = 11, face = "bold"),
      plot.title.position = "plot",
      plot.caption = ggplot2::element_text(size = 8, colour = "grey30", hjust = 0),
      plot.caption.position = "plot"
    )
}

#' What a figure without axes takes away from the theme.
#'
#' @return A ggplot2 theme.
theme_without_axes <- function() {
  ggplot2::theme(
    axis.title = ggplot2::element_blank(), axis.text = ggplot2::element_blank(), axis.ticks = ggplot2::element_blank(),
    panel.grid.major = ggplot2::element_blank(), panel.border = ggplot2::element_blank()
  )
}

#' Words for the codes of the tables.
#'
#' @param code Character vector or factor.
#' @return Character vector; a code without words stays.
describe_code <- function(code) {
  words <- c(
    average = "average (local) Dice", median = "median Dice", global_positive = "global Dice, positive patients",
    global_all = "global Dice, with the negatives", positives_only = "positive patients only (as printed)",
    with_negatives = "with the negative patients", lesion = "lesion level", patient = "patient level",
    reference_roi = "reference regions", automatic_roi = "automatic regions (detected lesions)",
    reference_regions = "reference regions", detected_lesions = "automatic regions, detected lesions",
    end_to_end = "end to end, missed lesions as errors", aphe = "APHE", washout = "washout", capsule = "capsule",
    auc = "AUC, within folds", auc_pooled = "AUC, pooled", majority = "majority category", size_only = "size only",
    test_folds = "best on the test folds (as printed)", early_stopping_patients = "chosen on early-stopping patients",
    rules_on_truth = "rules on the simulated truth (ceiling)", threshold = "intensity window",
    network = "network, threshold of each fold", readers = "between the two simulated readers (ceiling)",
    network_minus_threshold = "network minus intensity window", readers_minus_network = "readers minus network",
    pretrain = "segmentation, pre-training", start = "segmentation, shared start",
    finetune = "segmentation, fine-tuning", vgg16 = "VGG16",
    resnet50 = "ResNet-50", cross_validation = "cross-validation", fresh = "fresh draw", shifted = "shifted draw",
    recall = "lesion recall", precision = "lesion precision", false_per_patient = "false lesions a patient",
    sensitivity = "patient sensitivity", specificity = "patient specificity"
  )
  code <- as.character(code)
  ifelse(code %in% names(words), words[code], code)
}

#' Caption of a figure: what cohort it shows, and what needs saying.
#'
#' @param label Cohort label.
#' @param ... Sentences.
#' @return String, wrapped.
figure_caption <- function(label, ...) {
  paste(strwrap(paste0(label, ". ", paste(c(...), collapse = " ")), width = 105), collapse = "\n")
}
