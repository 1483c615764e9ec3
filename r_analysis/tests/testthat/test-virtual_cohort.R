paper <- read_paper_results(paper_path)
row <- function(...) {
  values <- list(
    quantity = "q", group = "g", phase = "arterial", unit = NA, n = 10, measured = 1.2, measured_low = 1.1,
    measured_high = 1.3, literature = NA, literature_low = NA, literature_high = NA, source = "Author 2010"
  )
  as.data.frame(utils::modifyList(values, list(...)))
}
verdict <- function(...) judge_realism(row(...))$verdict

test_that("the verdict is on the literature's interval, ends within", {
  expect_identical(verdict(literature_low = 1.0, literature_high = 1.3), "within")
  expect_identical(verdict(literature_low = 1.2, literature_high = 1.3), "within")
  expect_identical(verdict(literature_low = 1.0, literature_high = 1.2), "within")
  expect_identical(verdict(literature_low = 1.21, literature_high = 1.3), "below")
  expect_identical(verdict(literature_low = 1.0, literature_high = 1.19), "above")
  # A range that is open at one end.
  expect_identical(verdict(literature_high = 1.19), "above")
  expect_identical(verdict(literature_low = 1.0), "within")
  # Our own interval does not excuse a value outside the literature's.
  expect_identical(verdict(literature = 1.0, literature_low = 0.9, literature_high = 1.15), "above")
})

test_that("a lone value of the literature is judged by our interval, and what cannot be judged is said", {
  expect_identical(verdict(literature = 1.15), "within")
  expect_identical(verdict(literature = 1.05), "above")
  expect_identical(verdict(literature = 1.35), "below")
  expect_identical(verdict(literature = 1.35, measured_low = NA_real_), "no interval")
  expect_identical(verdict(), "no literature")
  expect_identical(verdict(measured = NA_real_, literature = 1), "not measured")
})

test_that("deviations are said in words, with both numbers and the distance", {
  judged <- judge_realism(rbind(
    row(literature_low = 1.25, literature_high = 1.4),
    row(measured = 78.2, unit = "%", literature_low = 83, literature_high = 94, phase = NA),
    row(literature_low = 1.0, literature_high = 1.3), row(literature = 1.05, source = NA)
  ))
  deviations <- describe_deviations(judged)
  expect_identical(names(deviations), c("Author 2010", "Author 2010", "no source named"))
  words <- gsub("\u00a0", " ", unname(deviations))
  expect_identical(words, c(
    "q, g, arterial: 1.200 measured (n = 10), below the lower limit 1.250 by 0.050.",
    "q, g: 78.2 % measured (n = 10), below the lower limit 83.0 % by 4.8 points.",
    "q, g, arterial: 1.200 measured (n = 10), above the value 1.050 by 0.150."
  ))
  expect_identical(
    list_deviations(c(x = "a", y = "b", x = "c")),
    "- Virtual cohort against x:\n    - a\n    - c\n- Virtual cohort against y:\n    - b"
  )
  expect_identical(list_deviations(describe_deviations(judged[0, ])), "")
  expect_identical(
    summarize_realism(judged, "x"),
    "Of 4 quantities that can be held against x, 1 lie within the interval and 3 outside (2 below, 1 above)."
  )
  expect_identical(summarize_realism(judged[0, ], "x"), "")
  expect_identical(is_nominal(rbind(row(source = "nominal kinetics"), row(), row(source = NA))), c(TRUE, FALSE, FALSE))
  expect_identical(list_sources(judged), "Sources: (1) Author 2010.")
  expect_identical(describe_deviations(judged[judged$verdict == "within", ]), character())
  formatted <- format_literature(rbind(row(literature_high = 2), row(literature = 3, literature_low = 1)), c(1, 1))
  expect_identical(gsub("\u00a0", " ", formatted), c("at most 2.0", "3.0 at least 1.0"))
})

test_that("floor, network and ceiling are paired by patient", {
  dice <- data.frame(patient_id = c("a", "b", "c"), fold = c(0, 0, 1), threshold = 0.5, dice = c(0.5, 0.7, 0.9))
  chosen <- data.frame(fold = 0:1, threshold_chosen = 0.5)
  weights <- draw_patient_weights(data.frame(patient_id = letters[1:3], group = "positive"), 200)
  baseline <- data.frame(patient_id = c("c", "a", "b"), dice = c(0.1, 0.2, 0.3))
  ceiling <- data.frame(patient_id = c("a", "b"), dice_readers = c(0.9, 0.8))
  table <- compute_segmentation_baselines(dice, chosen, baseline, ceiling, weights)
  value <- stats::setNames(table$value, table$quantity)
  expect_equal(value[["network"]], 0.7)
  # 0.5 - 0.2, 0.7 - 0.3, 0.9 - 0.1
  expect_equal(value[["network_minus_threshold"]], 0.5)
  # Over a and b alone: 0.9 - 0.5, 0.8 - 0.7
  expect_equal(value[["readers_minus_network"]], 0.25)
  expect_equal(table$patients[table$quantity == "readers_minus_network"], 2)
  expect_identical(
    compute_segmentation_baselines(dice, chosen, NULL, NULL, weights)$quantity, "network"
  )
})

test_that("the rules on the truth are scored like a network", {
  lesions <- data.frame(
    patient_id = c("a", "a", "b", "c"),
    category_ref = factor(c("LR-3", "LR-4", "LR-5", "LR-5"), c("LR-3", "LR-4", "LR-5")),
    category_true = factor(c("LR-3", "LR-5", "LR-5", NA), c("LR-3", "LR-4", "LR-5"))
  )
  weights <- draw_patient_weights(data.frame(patient_id = letters[1:3], group = "positive"), 50)
  row <- compute_category_ceiling(lesions, weights)
  expect_identical(c(row$successes, row$n), c(2L, 3L))
  lesions$category_true <- factor(NA, levels(lesions$category_ref))
  expect_null(compute_category_ceiling(lesions, weights))
})

test_that("the chapter is there on a virtual cohort with its tables, and left out otherwise", {
  render <- function(results, pictures = character()) {
    analysis <- run_analysis(results, paper, pictures)
    out <- tempfile()
    dir.create(out)
    figures <- build_figures(analysis)
    has_plot <- !vapply(figures, function(figure) is.null(figure$plot), logical(1))
    # A cheap picture stands in for each plot.
    figures[has_plot] <- lapply(figures[has_plot], function(figure) {
      list(picture = picture, caption = figure$caption, alt = figure$alt, width = figure$width)
    })
    write_figures(figures, out, analysis$label)
    shown <- render_report(analysis, figures, out, analysis_folder, file.path(out, "report.html"))
    expect_setequal(shown, names_to_show(analysis$outputs, virtual = is_virtual_cohort(analysis$label)))
    paste(readLines(file.path(out, "report.html"), encoding = "UTF-8"), collapse = " ")
  }
  folder <- tempfile()
  dir.create(folder)
  picture <- write_fixture_picture(file.path(folder, "cohort_montage.png"))
  results <- read_fixture()
  html <- render(results, find_pictures(folder))
  expect_match(html, "<h2[^>]*>The virtual cohort</h2>")
  expect_match(html, "below the lower limit 83.0", fixed = TRUE)
  expect_match(html, "Montage of patients and phases")
  expect_match(html, "Patients in rows, phases in columns")
  expect_no_match(html, "(src|href)=\"[^\"#:]+\"", perl = TRUE)

  results[c("cohort_summary", "cohort_realism", "contrast_curves", "reader_ceiling")] <- NULL
  results$run$value[results$run$key == "cohort"] <- "my hospital"
  html <- render(results)
  expect_no_match(html, "The virtual cohort")
  expect_no_match(html, "virtual cohort\\.")
  expect_no_match(html, "Montage")
  # Nor does a chapter on draws of the virtual cohort stand beside patients.
  expect_no_match(html, "further-draws|fresh draw")
  # The intensity window is there on every cohort.
  expect_match(html, "network minus intensity window")
})

test_that("pictures are taken if they are PNG, and not if they are too large", {
  folder <- tempfile()
  dir.create(folder)
  expect_length(find_pictures(folder), 0)
  path <- write_fixture_picture(file.path(folder, "figure_8.png"))
  pictures <- find_pictures(folder)
  expect_identical(names(pictures), "figure_8")
  expect_identical(embed(pictures, "figure_8", "c", "x", 5)$picture, unname(pictures))
  expect_match(embed(pictures, "figure_11", "c", "x", 5)$gap, "no figure_11.png")
  bytes <- readBin(path, "raw", file.size(path))
  writeBin(c(bytes, raw(MAXIMUM_PICTURE_BYTES)), path)
  expect_match(embed(find_pictures(folder), "figure_8", "c", "x", 5)$gap, "too large")
  writeLines("not a picture", file.path(folder, "figure_11.png"))
  expect_error(find_pictures(folder), "figure_11.png: expected a PNG picture", class = "input_error")
})
