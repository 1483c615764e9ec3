#' Outputs of the run and its patients, and of what only a virtual cohort has.
#' @return List as of [new_output()].
list_cohort_outputs <- function() {
  list(
    new_output(
      "run_facts", function(analysis) analysis$results$run,
      csv = "run_facts", table = function(run, analysis) tabulate_run(run), chapter = "run"
    ),
    new_output(
      "cohort", function(analysis) {
        compute_cohort_table(analysis$results$patients, analysis$results$lesions, analysis$weights)
      },
      paper_item = "\u00a72.3", csv = "cohort",
      table = function(cohort, analysis) {
        comparison <- get_estimate(analysis, "comparison")
        rows <- comparison$item == "\u00a72.3" & comparison$quantity %in% cohort$quantity
        tabulate_comparison(comparison[rows, ], "The patients and lesions (section 2.3 of the article).")
      },
      chapter = "run"
    ),
    new_output(
      "patients", function(analysis) {
        count_patient_flow(analysis$paper, analysis$results$patients, analysis$results$lesions)
      },
      paper_item = "Fig. 4", figure = "figure_04_patients",
      plot = function(patients, analysis) {
        draw(
          plot_patient_flow(patients, analysis$label), "The patients, the article's numbers beside ours.",
          "Flow chart of the patients: screened, included, positive and negative", 8, 4, patients
        )
      },
      chapter = "run"
    ),
    new_output(
      "cohort_summary", function(analysis) analysis$results$cohort_summary,
      paper_item = "Tables 1 and 2",
      table = function(summary, analysis) if (!is.null(summary)) tabulate_summary(summary), chapter = VIRTUAL_CHAPTER
    ),
    new_output(
      "cohort_montage", function(analysis) NULL,
      figure = "figure_cohort_montage",
      plot = function(nothing, analysis) {
        montage <- embed(
          analysis$pictures, "montage",
          "Patients in rows, phases in columns, with the outlines of the reference lesions.",
          "Montage of patients and phases with outlines", 9
        )
        if (is.null(montage$gap)) montage
      },
      chapter = VIRTUAL_CHAPTER
    ),
    new_output(
      "sizes", function(analysis) {
        analysis$results$lesions[c("patient_id", "lesion_id", "diameter_mm", "category_ref")]
      },
      figure = "figure_sizes",
      plot = function(lesions, analysis) {
        draw(
          plot_size_histogram(lesions, analysis$label),
          if (has_virtual_chapter(analysis)) "Reference diameters of the cohort's lesions." else "Reference diameters.",
          "Histogram of the reference diameters by category", 7, 3.6, lesions
        )
      },
      chapter = VIRTUAL_CHAPTER
    ),
    new_contrast_output(
      "signal_over_liver", paste(
        "Noiseless signal of the tissues over that of cirrhotic liver, as the cohort's kinetics give it: what a reader",
        "compares."
      )
    ),
    new_contrast_output("signal_over_precontrast", "The same over each tissue's own signal before contrast."),
    new_output(
      "cohort_realism", function(analysis) {
        if (!is.null(analysis$results$cohort_realism)) judge_realism(analysis$results$cohort_realism)
      },
      csv = "cohort_realism",
      table = function(realism, analysis) if (!is.null(realism)) tabulate_realism(realism), chapter = VIRTUAL_CHAPTER
    )
  )
}

#' Name of the chapter that only a report on a virtual cohort has.
VIRTUAL_CHAPTER <- "virtual_cohort"

#' Whether the report has the chapter on the virtual cohort: it is one, and its results say something about it.
#' @param analysis List with `label` and `results`.
has_virtual_chapter <- function(analysis) {
  told <- c("cohort_summary", "cohort_realism", "contrast_curves")
  is_virtual_cohort(analysis$label) && any(told %in% names(analysis$results))
}

#' The curves of the signal over time, as a ratio.
#'
#' @param measure Column of contrast_curves.csv.
#' @param caption Caption in the report.
new_contrast_output <- function(measure, caption) {
  name <- paste0("contrast_", measure)
  new_output(
    name, function(analysis) {
      curves <- analysis$results$contrast_curves
      if (measure %in% names(curves)) curves[c("tissue", "field_strength_t", "time_s", measure)]
    },
    figure = paste0("figure_", name),
    plot = function(curves, analysis) {
      if (is.null(curves)) {
        return(NULL)
      }
      draw(
        plot_contrast_curves(
          curves, measure, select_paper(analysis$paper, "time after injection"), analysis$label
        ),
        caption, "Curves of the signal over time of each tissue, by field strength", 9,
        1.7 + 1.35 * ceiling(length(unique(curves$tissue)) / CURVES_A_ROW), curves
      )
    },
    chapter = VIRTUAL_CHAPTER
  )
}
