paper <- read_paper_results(paper_path)
results <- read_two_segmentations()
analysis <- run_analysis(results, paper)
alone <- run_analysis(read_fixture(), paper)
list_chapter <- function(chapter) names(Filter(function(output) identical(output$chapter, chapter), list_outputs()))
of_chapter <- list_chapter(SEGMENTATION_CHAPTER)
of_draws <- names(name_outputs(list_draw_outputs()))

test_that("a further segmentation variant changes nothing that stands beside the article", {
  # The run's own facts, what was trained, the automatic path and the further draws tell of it, and no other output
  # outside the chapter.
  tell <- c(
    "run_facts", "training_history", "learning_curve", "end_to_end_correct", list_chapter("end_to_end"), of_chapter,
    of_draws
  )
  same <- setdiff(names(alone$estimates), tell)
  expect_gt(length(same), 30)
  for (name in same) {
    expect_identical(get_estimate(analysis, name), get_estimate(alone, name), info = name)
  }
  expect_identical(analysis$results$lesion_detection, alone$results$lesion_detection)
})

test_that("a run of one variant has nothing of the chapter", {
  expect_gt(length(of_chapter), 2)
  for (name in of_chapter) {
    expect_null(get_estimate(alone, name))
    expect_gt(NROW(get_estimate(analysis, name)), 0)
  }
  figures <- build_figures(alone)
  expect_length(grep("segmentation_variants", names(figures)), 0)
})

test_that("Dice of each variant stands beside the paired difference", {
  rows <- get_estimate(analysis, "segmentation_dice")
  at <- function(at, statistic, segmentation) {
    rows[rows$at == at & rows$statistic == statistic & rows$segmentation == segmentation, ]
  }
  table <- get_estimate(analysis, "dice")
  for (statistic in c("average", "median")) {
    own <- rows[rows$statistic == statistic & rows$segmentation == "delayed" & rows$at != "chosen", ]
    printed <- table[table$statistic == statistic, ]
    expect_identical(as.list(own[c("value", "low", "high")]), as.list(printed[c("value", "low", "high")]))
  }
  # The helper's variant has at a threshold the masks of the one below.
  expect_equal(at("0.5", "average", "three-phase")$value, at("0.4", "average", "delayed")$value)
  difference <- at("0.5", "difference", "three-phase")
  expect_identical(difference$minus, "delayed")
  dice <- results$dice_by_threshold
  of <- function(segmentation) dice[dice$segmentation == segmentation & abs(dice$threshold - 0.5) < 1e-9, ]
  first <- of("three-phase")
  by_patient <- first$dice - of("delayed")$dice[match(first$patient_id, of("delayed")$patient_id)]
  expect_equal(difference$value, mean(by_patient))
  weights <- analysis$weights[first$patient_id, ]
  resampled <- colSums(weights * by_patient) / colSums(weights)
  expect_equal(c(difference$low, difference$high), unname(quantile(resampled, c(0.025, 0.975))))
  expect_equal(
    at("chosen", "average", "delayed")$value,
    with(get_estimate(analysis, "dice_at_chosen_threshold"), value[choice == "early_stopping_patients"][1])
  )
  shown <- tabulate_segmentation_dice(rows)$table
  expect_identical(names(shown)[4], "Average, three-phase \u2212 delayed")
  expect_identical(shown$Threshold[c(1, 10)], c("0.1", "each fold's own"))
})

test_that("what misses nothing is as right end to end as on reference regions", {
  table <- get_estimate(analysis, "end_to_end")
  further <- table[table$segmentation == "three-phase" & !table$method %in% c("highest", "size_only"), ]
  accuracy <- get_estimate(analysis, "accuracy")
  expect_equal(further$proportion, accuracy$proportion[accuracy$scoring == "reference_regions"])
  own <- table[table$segmentation == "delayed" & table$method %in% accuracy$variant, ]
  expect_equal(own$proportion, accuracy$proportion[accuracy$scoring == "end_to_end"])
  # On the reference's own diameters the size alone is the baseline of before.
  baselines <- get_estimate(analysis, "baselines")
  expect_equal(
    table$successes[table$segmentation == "three-phase" & table$method == "size_only"],
    baselines$successes[baselines$baseline == "size_only"]
  )
})

test_that("detection of each variant stands below the other", {
  table <- get_estimate(analysis, "segmentation_detection")
  expect_identical(table$segmentation, rep(c("delayed", "three-phase"), each = 3))
  own <- table[table$segmentation == "delayed", -1]
  expect_identical(own, get_estimate(analysis, "detection_by_overlap"))
  # The rules of the fixture differ.
  expect_true(all(diff(own$recall) < 0))
})

test_that("the chapter is in the page, says what the variant is, and shows all of its outputs", {
  folder <- tempfile()
  dir.create(folder)
  figures <- lapply(build_figures(analysis), function(figure) list(gap = "left out here"))
  shown <- render_report(analysis, figures, folder, analysis_folder, file.path(folder, "report.html"))
  expect_setequal(shown, names_to_show(analysis$outputs, virtual = TRUE, several = TRUE))
  html <- gsub("\\s+", " ", paste(readLines(file.path(folder, "report.html"), encoding = "UTF-8"), collapse = " "))
  expect_match(html, "id=\"segmentation-variants\">Segmentation variants</h2>", fixed = TRUE)
  expect_match(html, "<code>three-phase</code> (all three phases; an extension, not the paper's), which", fixed = TRUE)
  expect_match(html, "no reading of the article, and whose gain is favoured by construction", fixed = TRUE)
  expect_match(html, "href=\"#segmentation-variants\"", fixed = TRUE)
  # And so is the chapter on further draws.
  expect_match(html, "id=\"further-draws\">Further draws</h2>", fixed = TRUE)
  expect_match(html, "href=\"#further-draws\"", fixed = TRUE)
  expect_match(html, "of its gap in average Dice lies below \u22120.05.", fixed = TRUE)
  expect_match(html, "Neither draw is external data", fixed = TRUE)
  expect_match(html, "arterial phase moved by 6 mm", fixed = TRUE)
})

test_that("on a real cohort nothing is said of construction", {
  words <- describe_segmentations(results$variants, c("delayed", "three-phase"), "my hospital")
  expect_match(words, "no reading of the article.$")
})

test_that("figures can be drawn, in the same colours", {
  figures <- build_figures(analysis)
  expect_silent(write_figures(
    figures[c("figure_segmentation_variants_dice", "figure_free_response", "figure_training_history")], tempfile(),
    "virtual cohort"
  ))
  expect_identical(names(colour_segmentations(c("a", "b"))), c("a", "b"))
})
