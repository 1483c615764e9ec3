#' Numbers of Fig. 4, the article's and ours.
#'
#' @param paper Data frame as of [read_paper_results()].
#' @param patients,lesions Data frames as patients.csv and lesions.csv.
#' @return Data frame `box` (screened, included, positive, negative, lesions), `paper`, `ours`; NA where there is none.
count_patient_flow <- function(paper, patients, lesions) {
  printed <- function(quantity, level) {
    rows <- select_paper(paper, quantity, "\u00a72.3")
    c(rows$number[rows$level == level], NA)[1]
  }
  is_positive <- patients$group == "positive"
  data.frame(
    box = c("screened", "included", "positive", "negative", "lesions"),
    paper = c(
      printed("patients screened", "all"), printed("patients", "all"), printed("patients", "positive"),
      printed("patients", "negative"), printed("lesions", "LR-3/4/5")
    ),
    ours = c(NA, nrow(patients), sum(is_positive), sum(!is_positive), nrow(lesions))
  )
}

#' Fig. 4: flow chart of the patients, the article's numbers beside ours.
#'
#' @param flow Data frame as of [count_patient_flow()].
#' @param label Cohort label.
#' @return A ggplot.
plot_patient_flow <- function(flow, label) {
  words <- c(
    screened = "patients screened", included = "patients included", positive = "positive patients (HCC)",
    negative = "negative patients (non-HCC)", lesions = "lesions LR-3, LR-4, LR-5"
  )
  flow$x <- c(screened = 0, included = 0, positive = -1.1, negative = 1.1, lesions = -1.1)[flow$box]
  flow$y <- c(screened = 3, included = 2, positive = 1, negative = 1, lesions = 0)[flow$box]
  number <- function(x) ifelse(is.na(x), "\u2013", format_number(x, 0))
  flow$text <- sprintf("%s\narticle %s | this run %s", words[flow$box], number(flow$paper), number(flow$ours))
  steps <- data.frame(from = c("screened", "included", "included", "positive"), to = flow$box[-1])
  steps <- cbind(
    flow[match(steps$from, flow$box), c("x", "y")], stats::setNames(flow[match(steps$to, flow$box), c("x", "y")],
      c("x_end", "y_end")
    )
  )
  ggplot2::ggplot(flow, ggplot2::aes(x = .data$x, y = .data$y)) +
    ggplot2::geom_segment(
      data = steps, ggplot2::aes(y = .data$y - 0.3, xend = .data$x_end, yend = .data$y_end + 0.32),
      arrow = grid::arrow(length = grid::unit(6, "pt")), colour = "grey30"
    ) +
    ggplot2::geom_label(
      ggplot2::aes(label = .data$text), size = 3.6, label.padding = grid::unit(7, "pt"), fill = "grey97"
    ) +
    ggplot2::coord_cartesian(xlim = c(-2.4, 2.4), ylim = c(-0.4, 3.4)) +
    ggplot2::labs(
      title = "The patients (Fig. 4)",
      caption = figure_caption(label, "Nobody is screened for a cohort that is built or handed in.")
    ) +
    theme_report() +
    theme_without_axes()
}
